/** A mail as its reader sees it. */
export type ReadableMail = {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly date: string;
  /** The plain text, with every link whole. */
  readonly text: string;
};

/** RFC 2045 §6.7. */
const fromQuotedPrintable = (text: string): Buffer =>
  Buffer.from(
    text
      .replaceAll(/=\r?\n/g, '')
      .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );

/** RFC 2047 §2 and §6.2; our mails are UTF-8. */
const decodedHeader = (value: string): string =>
  value
    .replaceAll(/(=\?[\w-]+\?[bq]\?[^?\s]*\?=)\s+(?==\?[\w-]+\?[bq]\?)/gi, '$1')
    .replaceAll(/(?:=\?[\w-]+\?[bq]\?[^?\s]*\?=)+/gi, (words) =>
      Buffer.concat(
        [...words.matchAll(/=\?[\w-]+\?([bq])\?([^?\s]*)\?=/gi)].map(([, encoding = '', text = '']) =>
          encoding.toLowerCase() === 'b' ? Buffer.from(text, 'base64') : fromQuotedPrintable(text.replaceAll('_', ' ')),
        ),
      ).toString('utf8'),
    );

/** The value of a header field, unfolded (RFC 5322 §2.2.3). */
function headerOf(fields: string, name: string): string {
  const [, value = ''] = new RegExp(`^${name}:((?:.*)(?:\\r?\\n[ \\t].*)*)`, 'im').exec(fields) ?? [];
  return decodedHeader(value.replaceAll(/\r?\n[ \t]+/g, ' ').trim());
}

/** RFC 2045 §6. */
function decodedBody(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8');
  return encoding === 'quoted-printable' ? fromQuotedPrintable(body).toString('utf8') : body;
}

function splitHead(part: string): readonly [head: string, body: string] {
  const [, head = '', body = ''] = /^([\s\S]*?)\r?\n\r?\n([\s\S]*)$/.exec(part) ?? [];
  return [head, body];
}

/** The plain text of a mail with or without other parts (RFC 2046 §5.1). */
function textOf(mail: string): string {
  const [, boundary] = /boundary="([^"]{1,70})"/i.exec(headerOf(splitHead(mail)[0], 'content-type')) ?? [];
  const parts = boundary === undefined ? [mail] : mail.split(`--${boundary}`).map((part) => part.trimStart());
  for (const part of parts) {
    const [head, body] = splitHead(part);
    if (/^text\/plain/i.test(headerOf(head, 'content-type')))
      return decodedBody(body, headerOf(head, 'content-transfer-encoding').toLowerCase());
  }
  return '';
}

/** Reads a mail of ours, as `encodeMail` writes it. */
export function readMail(mail: string): ReadableMail {
  const [head] = splitHead(mail);
  return {
    from: headerOf(head, 'from'),
    to: headerOf(head, 'to'),
    subject: headerOf(head, 'subject'),
    date: headerOf(head, 'date'),
    text: textOf(mail).replaceAll('\r\n', '\n').trim(),
  };
}
