/** One line of a plot. */
type Line = { readonly name: string; readonly points: readonly (readonly [second: number, value: number])[] };
export type Plot = { readonly title: string; readonly unit: string; readonly lines: readonly Line[] };
export type Table = {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
};

const WIDTH = 720;
const HEIGHT = 220;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 10;
const TICKS = 4;
const COLOURS = ['#0b62d6', '#c2410c', '#15803d', '#7e22ce', '#0e7490', '#a16207', '#be123c', '#475569'];

export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const shown = (value: number): string => {
  if (value === 0) return '0';
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toPrecision(2);
};

function svg({ title, unit, lines }: Plot): string {
  const drawn = lines.filter(({ points }) => points.length > 0);
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return `<figure><figcaption>${escaped(title)}</figcaption><p>not measured</p></figure>`;
  const last = all.reduce((most, [second]) => Math.max(most, second), 1);
  const top = all.reduce((most, [, value]) => Math.max(most, value), 0) || 1;
  const x = (second: number): number => LEFT + (second / last) * (WIDTH - LEFT - 8);
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const marks = Array.from({ length: TICKS + 1 }, (_, at) => at / TICKS);
  const grid = marks.map(
    (part) =>
      `<line x1="${LEFT}" x2="${WIDTH - 8}" y1="${y(part * top).toFixed(1)}" y2="${y(part * top).toFixed(1)}" class="grid"/>` +
      `<text x="${LEFT - 6}" y="${(y(part * top) + 4).toFixed(1)}" text-anchor="end">${shown(part * top)}</text>` +
      `<text x="${x(part * last).toFixed(1)}" y="${HEIGHT - 6}" text-anchor="middle">${shown(part * last)} s</text>`,
  );
  const paths = drawn.map(({ points }, at) => {
    const path = points.map(([second, value]) => `${x(second).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    return `<polyline fill="none" stroke="${COLOURS[at % COLOURS.length]}" stroke-width="1.5" points="${path}"/>`;
  });
  const legend = drawn.map(
    ({ name }, at) => `<span style="color:${COLOURS[at % COLOURS.length]}">■</span> ${escaped(name)}`,
  );
  return `<figure><figcaption>${escaped(title)} <small>${escaped(unit)}</small></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">${grid.join('')}${paths.join('')}</svg>
<p class="legend">${legend.join(' &nbsp; ')}</p></figure>`;
}

const table = ({ title, header, rows }: Table): string =>
  `<h2>${escaped(title)}</h2><table><thead><tr>${header.map((cell) => `<th>${escaped(cell)}</th>`).join('')}</tr></thead>
<tbody>${rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`).join('\n')}</tbody></table>`;

/** One page without scripts that loads nothing. */
export function htmlPage(report: {
  readonly title: string;
  readonly lines: readonly string[];
  readonly tables: readonly Table[];
  readonly plots: readonly Plot[];
}): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(report.title)}</title>
<style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:${WIDTH}px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9em}th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #8884;vertical-align:top}
figure{margin:1.5rem 0}figcaption{font-weight:600}small{font-weight:400;opacity:.7}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor;opacity:.7}.grid{stroke:currentColor;opacity:.15}
.legend{margin:.25rem 0;font-size:.85em}
</style></head><body><h1>${escaped(report.title)}</h1>
<ul>${report.lines.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>
${report.tables.map(table).join('\n')}
<h2>Over time</h2>
${report.plots.map(svg).join('\n')}
</body></html>
`;
}
