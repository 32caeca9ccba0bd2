/** A response of a use-case that is more than a body with the endpoint's first success status. */
export class Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  constructor(status: number, body: unknown, headers: Readonly<Record<string, string | readonly string[]>> = {}) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** An answer with its own status or headers; `set-cookie` may be a list. */
export const answer = (
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): Answer => new Answer(status, body, headers);

/** JSON text, already serialised: the hot path caches it with the decision. */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A file that a browser saves. */
export const download = (name: string, contentType: string, body: unknown): Answer =>
  answer(200, body, { 'content-type': contentType, 'content-disposition': `attachment; filename="${name}"` });
