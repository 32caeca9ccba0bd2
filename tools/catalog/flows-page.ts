import { type Cell, type Flow, KINDS } from '#tools/testing/flow-matrix.ts';
import { page, table } from './pages.ts';

const fileLink = (path: string): string => `[${path.slice(path.lastIndexOf('/') + 1)}](../../${path})`;
const shown = (cell: Cell): string => ('none' in cell ? `— ${cell.none}` : cell.map(fileLink).join(', '));

/** Every flow of authentication, and the tests that show it. */
export const flowsPage = (flows: readonly Flow[]): string =>
  page(
    'Flows and their tests',
    'Each flow of authentication has tests of four kinds: of its rules alone or on their store (unit), through the API (integration), while a part fails (fault), and under load. A cell without tests says why. A check fails on an empty cell, a file that is missing, and a path of the API that belongs to no flow.',
    table(
      ['flow', ...KINDS],
      flows.map((flow) => [flow.name, ...KINDS.map((kind) => shown(flow[kind]))]),
    ),
  );
