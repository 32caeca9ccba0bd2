/** Put on an error class whose messages are our own fixed text: `readonly [safeMessage] = true`. */
export const safeMessage: unique symbol = Symbol.for('sallyport.safeMessage');

const causesMax = 3;
const framesMax = 30;

/** Fields of database and system errors that name a thing of ours and never a value. */
const namingFields = ['severity', 'schema', 'table', 'column', 'constraint', 'routine', 'syscall', 'errno'] as const;

/** What a log may say about an error. */
export interface ErrorDescription {
  type: string;
  code?: string | number;
  message?: string;
  stack?: string[];
  cause?: ErrorDescription;
  errors?: ErrorDescription[];
  [field: string]: unknown;
}

export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

/**
 * Describes an error without the values it may quote. Messages of libraries are left out (`invalid input syntax for
 * type uuid: "…"`), so is Postgres's detail; the stack is given as frames, since its first lines repeat the message.
 *
 * @param withMessages keeps every message, for development
 */
export function describeError(error: Error, withMessages = false, causes = causesMax): ErrorDescription {
  const fields = error as Error & Record<string | symbol, unknown>;
  const description: ErrorDescription = { type: error.name };
  if (typeof fields.code === 'string' || typeof fields.code === 'number') description.code = fields.code;
  if (withMessages || fields[safeMessage] === true) description.message = error.message;
  for (const name of namingFields) {
    if (typeof fields[name] === 'string' || typeof fields[name] === 'number') description[name] = fields[name];
  }
  description.stack = frames(error);
  if (causes === 0) return description;
  if (isError(error.cause)) description.cause = describeError(error.cause, withMessages, causes - 1);
  if (Array.isArray(fields.errors)) {
    const errors = fields.errors.filter(isError).slice(0, causesMax);
    description.errors = errors.map((each) => describeError(each, withMessages, causes - 1));
  }
  return description;
}

const frameForm = /^ {4}at (?:.+ \()?(?:file:|node:|\/|<anonymous>|[A-Za-z]:\\)[^\n]*$/;

function frames(error: Error): string[] {
  if (typeof error.stack !== 'string') return [];
  // A message may imitate frames; what stands before the end of the message is never one.
  const start = error.stack.indexOf(error.message);
  const trace = start === -1 ? error.stack : error.stack.slice(start + error.message.length);
  return trace
    .split('\n')
    .filter((line) => frameForm.test(line))
    .slice(0, framesMax)
    .map((line) => line.trim());
}
