import { owners, readRelations, readRights, readRoutines, tables } from './database.ts';
import { page, table } from './pages.ts';

/** The foreign keys as a Mermaid drawing. */
function dataModel(): string {
  const lines = readRelations().map(
    ({ from, to, columns, many }) => `  ${to} ||--${many ? 'o{' : 'o|'} ${from} : "${columns}"`,
  );
  return `\`\`\`mermaid\nerDiagram\n${lines.join('\n')}\n\`\`\``;
}

const PROCESSES = ['api', 'mcp', 'worker', 'log_sealer'];

/** What the role of each process may do on each table. */
const rightsTable = (): string =>
  table(
    ['table', ...PROCESSES.map((process) => `\`sallyport_${process}\``)],
    [...readRights()]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, rights]) => [`\`${name}\``, ...PROCESSES.map((process) => rights.get(process) ?? '')]),
  );

/** Every table with its owner and triggers, and the current text of every function and trigger. */
export function databasePage(): string {
  const { functions, triggers } = readRoutines();
  const rows = tables
    .map(({ name, note }) => {
      const own = triggers.filter((trigger) => trigger.table === name);
      const named = own.map((trigger) => `\`${trigger.name}\` → [\`${trigger.calls}\`](#${trigger.calls})`);
      return [`\`${name}\``, owners.get(name) ?? '', note, named.join('<br>')];
    })
    .sort(([one = ''], [other = '']) => (one < other ? -1 : 1));
  const used = (name: string) =>
    triggers.filter(({ calls }) => calls === name).map((trigger) => `\`${trigger.table}\``);
  const texts = functions.map(({ name, sql, migration }) => {
    const on = [...new Set(used(name))];
    const where = on.length === 0 ? '' : ` Runs on changes of ${on.join(', ')}.`;
    return `### ${name}\n\nLast defined by the migration \`${migration}\`.${where}\n\n\`\`\`sql\n${sql}\n\`\`\`\n`;
  });
  const made = triggers.map(({ sql }) => sql).join('\n');
  const body = [
    '## Tables',
    '',
    table(['table', 'owner', 'rules of its columns', 'triggers'], rows),
    '## Rights of the processes',
    '',
    'What the statements of each process need, and no more: `tools/checks/role-matrix.db.test.ts` tries every verb on every table. Another statement is refused with SQLSTATE 42501, and the log line names the right that is missing.',
    '',
    rightsTable(),
    '## Data model',
    '',
    'Foreign keys: a line leads from the table that is referred to, by the column on it. Tables that are not drawn refer to none. Many rows outlive what they name (audit events, revocations, token families), so these name it without a foreign key, and triggers end what must end with it.',
    '',
    dataModel(),
    '',
    '## Functions',
    '',
    texts.join('\n'),
    '## Triggers',
    '',
    `\`\`\`sql\n${made}\n\`\`\``,
  ].join('\n');
  return page(
    'Database',
    'The tables of an installation, the module that owns each, and the rules that the database itself enforces, as the migrations leave them. A column changes with its owner; SQL of other modules on a table has its reason in `tools/checks/foreign-sql.json`.',
    body,
  );
}
