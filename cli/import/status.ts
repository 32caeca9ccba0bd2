import type { Command } from 'commander';
import { type ImportView, readImports } from '#services/wings/import/run/read-imports.ts';
import { type Move, readMoves } from '#services/wings/import/run/read-move.ts';
import { onDatabase } from '../admin.ts';
import type { GlobalOptions } from '../output.ts';

/** `sallyport import status`, directly on the database: the checklist of the guides. */
export function registerStatus(parent: Command): void {
  parent
    .command('status')
    .description(
      'show the imports, and for each system what is left to move, what would break, and what to delete there',
    )
    .action((_own, own: Command) =>
      onDatabase<GlobalOptions>(own, async (database, output) => {
        const { issuer, bridgeUntil, passwordUrl, provider } = database.settings.legacy;
        const bridge = {
          issuer: issuer ?? null,
          until: bridgeUntil?.toISOString() ?? null,
          checks_passwords: passwordUrl !== undefined,
          provider: provider ?? null,
        };
        const imports = await readImports(database);
        const systems = await readMoves(database, bridge);
        output.data({ imports, systems, bridge }, () => [
          ...imports.map(importLine),
          ...systems.flatMap(moveLines),
          bridge.until === null || bridge.issuer === null
            ? 'bridge: no tokens of another issuer are accepted'
            : `bridge: tokens of ${bridge.issuer} are accepted until ${bridge.until}; sallyport_legacy_validations counts them`,
        ]);
      }),
    );
}

const importLine = ({ import_id: id, kind, status, progress, counts }: ImportView): string =>
  `${id}  ${kind.padEnd(12)} ${status.padEnd(8)} ${String(progress).padStart(3)} %  new ${counts.new}  changed ${counts.changed}  same ${counts.same}  rejected ${counts.rejected}${counts.factors_lost ? `  factors lost ${counts.factors_lost}` : ''}`;

const moveLines = ({ kind, users, deleted, items, breaks, ready, delete_there: deletable }: Move): string[] => [
  `${kind}: ${users} users here, ${deleted} deleted here`,
  ...items.map(({ done, text }) => `  [${done ? 'x' : ' '}] ${text}`),
  ...breaks.map((text) => `  would break: ${text}`),
  ...(ready ? deletable.map((text) => `  delete there: ${text}`) : ['  delete nothing there yet']),
];
