import { encode } from 'uqr';
import { type Html, html } from '#services/platform/html/html.ts';

/** Light modules around the symbol (ISO/IEC 18004 §9.1). */
const QUIET = 4;

/** What version 20 holds at level L; an `otpauth` address on a screen needs no more. */
export const QR_BYTES_MAX = 858;

/** The modules of a QR code, row by row; true is dark. Null if the text is longer than `QR_BYTES_MAX` bytes. */
export function qrModules(text: string): readonly (readonly boolean[])[] | null {
  const bytes = Buffer.from(text);
  return bytes.length > QR_BYTES_MAX ? null : encode([...bytes], { ecc: 'L', border: 0 }).data;
}

/** Dark runs of a row as one stroke each: `M4 7h3`. */
function strokesOf(row: readonly boolean[], y: number): string {
  const runs = row.map((isDark) => (isDark ? '1' : '0')).join('');
  return [...runs.matchAll(/1+/g)].map(({ index, 0: run }) => `M${index} ${y}h${run.length}`).join('');
}

/** A QR code as a picture in the page, dark on light in every colour scheme; null if the text is too long for one. */
export function qrImage(text: string, label: string): Html | null {
  const rows = qrModules(text);
  if (rows === null) return null;
  const side = rows.length + 2 * QUIET;
  // A stroke lies half above and half below its line.
  const box = `${-QUIET} ${-QUIET - 0.5} ${side} ${side}`;
  return html`<svg class="qr" role="img" aria-label="${label}" viewBox="${box}" shape-rendering="crispEdges"><path fill="#fff" d="M${-QUIET} ${-QUIET - 0.5}h${side}v${side}h${-side}z"/><path stroke="#000" d="${rows.map(strokesOf).join('')}"/></svg>`;
}
