import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A place in a bundle (tools/bundle.mjs), as a frame names it. */
const PLACE = /(file:\/\/\/\S*\/dist\/[0-9a-f]{16}\/[\w.-]+\.mjs):(\d+):(\d+)/g;
const DIGITS = new Map(
  [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].map((digit, value) => [digit, value]),
);
const KNOWN_MAX = 2_000;

/** Where the source of a place is. A map has some MB, so it is read only for a place that is new. */
const known = new Map<string, string>();

/** The last segment at or before a line and a column (from 0): its source, and line and column there (from 0). */
function segmentAt(mappings: string, line: number, column: number): readonly [number, number, number] | undefined {
  // Each number is the difference from the one before it, over the whole map.
  const fields = [0, 0, 0, 0, 0];
  let [index, value, shift, here] = [0, 0, 0, 0];
  let found: readonly [number, number, number] | undefined;
  for (const character of mappings) {
    if (character === ',' || character === ';') {
      if (here === line && index >= 4) {
        if (fields[0]! > column) return found;
        found = [fields[1]!, fields[2]!, fields[3]!];
      }
      index = 0;
      if (character === ',') continue;
      if (here === line) return found;
      here += 1;
      fields[0] = 0;
      continue;
    }
    const digit = DIGITS.get(character) ?? 0;
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    fields[index] = fields[index]! + (value & 1 ? -(value >> 1) : value >> 1);
    index += 1;
    [value, shift] = [0, 0];
  }
  return found;
}

function sourceOf(place: string, url: string, line: number, column: number): string {
  try {
    const map = JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8')) as {
      sources: string[];
      mappings: string;
    };
    const segment = segmentAt(map.mappings, line - 1, column - 1);
    if (segment === undefined) return place;
    const [source, sourceLine, sourceColumn] = segment;
    return `${new URL(map.sources[source] as string, url).href}:${sourceLine + 1}:${sourceColumn + 1}`;
  } catch {
    return place;
  }
}

/** A stack, or a frame of one, whose places in a bundle are those of our sources: what ran is a bundle, what is read is not. */
export const nameSources = (stack: string): string =>
  stack.replaceAll(PLACE, (place, url: string, line: string, column: string) => {
    const source = known.get(place) ?? sourceOf(place, url, Number(line), Number(column));
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(place, source);
    return source;
  });

/** The same for what Node prints about an error that ends this process. */
export function nameSourcesOfCrash(): void {
  process.on('uncaughtExceptionMonitor', (err) => {
    if (err instanceof Error && err.stack !== undefined) err.stack = nameSources(err.stack);
  });
}
