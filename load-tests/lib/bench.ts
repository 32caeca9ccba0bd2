import { resolve } from 'node:path';
import type { Figure } from './figure.ts';
import { LoadGenerator } from './generator.ts';
import { LineProcess } from './line-process.ts';
import { type Product, startProduct } from './product.ts';

/** What a bench may use; everything it starts is stopped with it. */
export class BenchContext {
  /** How often every side is measured. */
  readonly pairs: number;
  readonly seconds: number;
  readonly say: (text: string) => void;
  /** Of what a run does not know by itself. */
  readonly versions: Record<string, string> = {};
  readonly #closing: (() => Promise<void> | void)[] = [];
  #product: Promise<Product> | undefined;
  #generator: LoadGenerator | undefined;
  #besideGenerator: LoadGenerator | undefined;

  constructor(options: { pairs: number; seconds: number; say: (text: string) => void }) {
    this.pairs = options.pairs;
    this.seconds = options.seconds;
    this.say = options.say;
  }

  /** The product as it ships, shared by all benches of a run. */
  product(): Promise<Product> {
    this.#product ??= this.start();
    return this.#product;
  }

  /** Another start of the product, with settings of its own; stopped at the end unless stopped before. */
  async start(
    settings: Readonly<Record<string, string>> = {},
    options: { readonly dataDir?: string } = {},
  ): Promise<Product> {
    const named = Object.entries(settings).filter(([name]) => !name.endsWith('_URL'));
    this.say(`starting the product ${named.map(([name, value]) => `${name}=${value}`).join(' ')}`);
    const product = await startProduct(settings, options);
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= product.stop();
      return stopped;
    };
    this.#closing.push(stop);
    return { ...product, stop };
  }

  generator(): LoadGenerator {
    this.#generator ??= this.#newGenerator();
    return this.#generator;
  }

  /** A second one, for what must not delay the clock of the first; its stocks are its own. */
  generatorBeside(): LoadGenerator {
    this.#besideGenerator ??= this.#newGenerator();
    return this.#besideGenerator;
  }

  #newGenerator(): LoadGenerator {
    const generator = new LoadGenerator();
    this.#closing.push(() => generator.close());
    return generator;
  }

  /** A baseline in a process of its own. */
  baseline(file: string, env: Readonly<Record<string, string>> = {}): LineProcess {
    const path = resolve(import.meta.dirname, '../baselines', file);
    const baseline = new LineProcess(process.execPath, [path], env);
    this.#closing.push(() => baseline.close());
    return baseline;
  }

  onClose(close: () => Promise<void> | void): void {
    this.#closing.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}

export type Bench = {
  readonly name: string;
  readonly about: string;
  /** What limits its figures. */
  readonly limit: string;
  run(context: BenchContext): Promise<readonly Figure[]>;
};
