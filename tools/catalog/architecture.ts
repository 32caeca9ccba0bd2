// @ts-expect-error plain JavaScript without types
import boundaries from '../../.dependency-cruiser.mjs';
import drawn from './architecture.json' with { type: 'json' };

/** Pictures of `docs/explanation/architecture.md`: drawn from these declarations, light and dark by the reader's setting. */

const CHAR = 7.2;
const ROW = 84;
const BOX = { width: 220, height: 52 };
const GAP = 110;
const MARGIN = 20;

const STYLE = `
  text { font: 13px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
  .note { font-size: 11px; fill: #59636e }
  .page { fill: #ffffff }
  .box { fill: #f6f8fa; stroke: #59636e }
  .process { fill: #ddf4ff; stroke: #0969da }
  .store { fill: #fff8c5; stroke: #9a6700 }
  .line { stroke: #59636e; fill: none }
  .head { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .page { fill: #0d1117 }
    .box { fill: #151b23; stroke: #9198a1 }
    .process { fill: #121d2f; stroke: #4493f8 }
    .store { fill: #272115; stroke: #d29922 }
    .line { stroke: #9198a1 }
    .head { fill: #9198a1 }
  }`;

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function picture(title: string, width: number, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<title>${escaped(title)}</title>
<style>${STYLE}
</style>
<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>
<rect class="page" width="${width}" height="${height}"/>
${parts.join('\n')}
</svg>
`;
}

type Kind = 'box' | 'process' | 'store';

/** A box with a name and a note below it. @throws Error if a text is wider than its box */
function box(x: number, y: number, kind: Kind, name: string, note: string, width = BOX.width): string {
  if (Math.max(name.length * CHAR, note.length * CHAR * 0.86) > width - 8)
    throw new Error(`"${name}": "${note}" is wider than its box`);
  const middle = x + width / 2;
  return `<g><rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${BOX.height}" rx="6"/><text x="${middle}" y="${y + 22}" text-anchor="middle">${escaped(name)}</text><text class="note" x="${middle}" y="${y + 40}" text-anchor="middle">${escaped(note)}</text></g>`;
}

type Node = { readonly name: string; readonly note: string; readonly kind: Kind };

/** Columns of the first picture. The name of a process is that of its folder below `services/`, or of its program. */
export const PROCESSES = drawn.processes as readonly (readonly Node[])[];
/** From, to, and where a dashed line means: only a notification or a file. */
export const ARROWS = drawn.arrows as unknown as readonly (readonly [string, string, 'dashed'?])[];

const columnX = (column: number): number => MARGIN + column * (BOX.width + GAP);

export function processesPicture(): string {
  const places = new Map(
    PROCESSES.flatMap((nodes, column) => nodes.map((node, row) => [node.name, { column, row }] as const)),
  );
  const placeOf = (name: string) => {
    const place = places.get(name);
    if (place === undefined) throw new Error(`no box "${name}"`);
    return { x: columnX(place.column), y: MARGIN + place.row * ROW + BOX.height / 2 };
  };
  const arrows = ARROWS.map(([from, to, dashed]) => {
    const [start, end] = [placeOf(from), placeOf(to)];
    const [x1, x2] = [start.x + BOX.width, end.x];
    const bend = (x1 + x2) / 2;
    return `<path class="line" d="M${x1} ${start.y}C${bend} ${start.y} ${bend} ${end.y} ${x2 - 2} ${end.y}" marker-end="url(#end)"${dashed ? ' stroke-dasharray="4 4"' : ''}/>`;
  });
  const boxes = PROCESSES.flatMap((nodes, column) =>
    nodes.map(({ name, note, kind }, row) => box(columnX(column), MARGIN + row * ROW, kind, name, note)),
  );
  const rows = Math.max(...PROCESSES.map(({ length }) => length));
  const width = columnX(PROCESSES.length - 1) + BOX.width + MARGIN;
  return picture('Processes and stores', width, rows * ROW + MARGIN, [...arrows, ...boxes]);
}

/** The modules of `services/core` in their order, as the boundary rules hold it. */
export function moduleLine(): string[] {
  const forbidden = (boundaries as { forbidden: { name: string; to: { path?: string | string[] } }[] }).forbidden;
  const ordered = forbidden.flatMap(({ name }) => /^([\w-]+) imports no module to its right$/.exec(name)?.[1] ?? []);
  const last = forbidden.find(({ name }) => name.startsWith(`${ordered.at(-1)} imports no module`))?.to.path ?? '';
  return [...ordered, /\/\(([\w-]+)\)\//.exec(String(last))?.[1] as string];
}

export function modulesPicture(): string {
  const modules = moduleLine();
  const perRow = 6;
  const [width, gap] = [118, 26];
  const parts = modules.flatMap((name, at) => {
    const [column, row] = [at % perRow, Math.floor(at / perRow)];
    const [x, y] = [MARGIN + column * (width + gap), MARGIN + row * 64];
    const rect = `<rect class="process" x="${x}" y="${y}" width="${width}" height="34" rx="6"/><text x="${x + width / 2}" y="${y + 22}" text-anchor="middle">${name}</text>`;
    if (at === 0) return [rect];
    const arrow =
      column > 0
        ? `<path class="line" d="M${x} ${y + 17}H${x - gap + 2}" marker-end="url(#end)"/>`
        : `<path class="line" d="M${x + width / 2} ${y}V${y - 15}H${MARGIN + (perRow - 1) * (width + gap) + width / 2}V${y - 28}" marker-end="url(#end)"/>`;
    return [arrow, rect];
  });
  const rows = Math.ceil(modules.length / perRow);
  const total = perRow * (width + gap) - gap + 2 * MARGIN;
  return picture(
    'The line of the core: each module imports only modules to its left',
    total,
    rows * 64 + MARGIN,
    parts,
  );
}

type Room = readonly [act: string, file: string];

/** Five walks of eight rooms: what happens, and the file in which it does, below `services/`. */
export const WALKS = drawn.walks as unknown as Readonly<Record<string, readonly Room[]>>;

export function walksPicture(): string {
  const [width, gap, row] = [196, 14, 92];
  const parts = Object.entries(WALKS).flatMap(([name, rooms], at) => {
    const top = MARGIN + at * (2 * row + 8);
    const title = `<text x="${MARGIN}" y="${top + 4}" font-weight="600">${at + 1}. ${escaped(name)}</text>`;
    const drawn = rooms.map(([act, file], step) => {
      const [x, y] = [MARGIN + (step % 4) * (width + gap), top + 14 + Math.floor(step / 4) * (row - 14)];
      return box(x, y, 'process', `${step + 1} ${act}`, file.slice(file.lastIndexOf('/') + 1), width);
    });
    return [title, ...drawn];
  });
  const height = Object.keys(WALKS).length * (2 * row + 8) + MARGIN;
  return picture('Five walks of eight steps', 4 * (width + gap) - gap + 2 * MARGIN, height, parts);
}
