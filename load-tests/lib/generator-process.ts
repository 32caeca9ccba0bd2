// PROCESS: sends load. A separate process, so that its cost is not counted and does not delay any clock.
// Started by generator.ts only; ends with its parent.
import { answerCommands } from './answer-commands.ts';
import { type LoadSpec, runLoad } from './load-loop.ts';
import type { Stocks } from './workloads.ts';

type Command =
  | { readonly kind: 'run'; readonly load: LoadSpec }
  | { readonly kind: 'put'; readonly stock: string; readonly items: readonly string[] }
  | { readonly kind: 'take'; readonly stock: string };

const stocks: Stocks = new Map();

await answerCommands((command: Command) => {
  switch (command.kind) {
    case 'run':
      return runLoad(command.load, stocks);
    case 'put':
      return void stocks.set(command.stock, [...command.items]);
    case 'take':
      return stocks.get(command.stock) ?? [];
  }
});
