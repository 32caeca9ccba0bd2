// PROCESS: sends load. A separate process, so that its cost is not counted and does not delay any clock.
// Started by generator.ts only; ends with its parent.
import { type LoadSpec, runLoad } from './load-loop.ts';
import type { Stocks } from './workloads.ts';

export type GeneratorCommand =
  | { readonly id: number; readonly kind: 'run'; readonly load: LoadSpec }
  | { readonly id: number; readonly kind: 'put'; readonly stock: string; readonly items: readonly string[] }
  | { readonly id: number; readonly kind: 'take'; readonly stock: string };

const stocks: Stocks = new Map();

function obey(command: GeneratorCommand): unknown {
  switch (command.kind) {
    case 'run':
      return runLoad(command.load, stocks);
    case 'put':
      return void stocks.set(command.stock, [...command.items]);
    case 'take':
      return stocks.get(command.stock) ?? [];
  }
}

process.on('message', async (command: GeneratorCommand) => {
  try {
    process.send?.({ id: command.id, result: await obey(command) });
  } catch (err) {
    process.send?.({ id: command.id, error: (err as Error).message });
  }
});
process.on('disconnect', () => process.exit(0));
