const DELIMITERS = [',', ';', '\t', '|'];

/** The first line, without what is in quotes. */
function firstLine(head: string): string {
  const plain = head.replaceAll(/"[^"]*"?/g, '');
  return plain.slice(0, plain.search(/[\r\n]|$/));
}

/**
 * What separates the fields of a CSV file: what its line `sep=;` says (Excel), else the first of `,`, `;`, tab and `|` in
 * its names; null if none is there.
 */
export function delimiterOf(head: string): { readonly delimiter: string | null; readonly isSaid: boolean } {
  const said = /^sep=([,;\t|])(?:\r?\n|$)/i.exec(head)?.[1];
  if (said !== undefined) return { delimiter: said, isSaid: true };
  const names = firstLine(head);
  return { delimiter: DELIMITERS.find((each) => names.includes(each)) ?? null, isSaid: false };
}
