import { nameSources } from './source-frames.ts';

/** Set on an error class whose messages are our own fixed text: `readonly [safeMessage] = true`. */
export const safeMessage: unique symbol = Symbol.for('sallyport.safeMessage');

const CAUSES_MAX = 3;
const FRAMES_MAX = 30;

/** Fields of database and system errors that hold our own names and never a value. */
const namingFields = ['severity', 'schema', 'table', 'column', 'constraint', 'routine', 'syscall', 'errno'] as const;

/** Conditions of the machine or the database that only an operator can end, by error code: the condition, and what to do. */
const operatorWords = new Map(
  Object.entries({
    '53100': 'the disk of PostgreSQL is full: make room on it; writes succeed again by themselves',
    '53300': 'PostgreSQL has no connection left: raise its max_connections, or lower DATABASE_POOL',
    '25006': 'PostgreSQL is read-only: see that DATABASE_URL names the primary',
    MISCONF: 'Redis refuses writes: its disk is full, or its last snapshot failed; make room on it, and see its log',
    OOM: 'Redis refuses writes: its memory is used up; raise maxmemory',
    READONLY: 'Redis is a replica: see that REDIS_URL names the primary',
    ENOSPC: 'the disk is full: make room on the file system of SALLYPORT_DATA_DIR',
    EDQUOT: 'the disk quota is used up: raise it, or make room in SALLYPORT_DATA_DIR',
    EROFS: 'the file system is read-only: mount it for writing, or set SALLYPORT_DATA_DIR to another',
    EMFILE: 'this process may open no more files: raise its limit (ulimit -n)',
  }),
);

/** What a log line may contain about an error. */
export type ErrorDescription = {
  type: string;
  code?: string | number;
  /** An explanation for the codes that need an operator. */
  means?: string;
  message?: string;
  stack?: string[];
  cause?: ErrorDescription;
  errors?: ErrorDescription[];
  [field: string]: unknown;
};

export const isError = (value: unknown): value is Error =>
  value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';

/**
 * Describes an error without the values it may quote. Messages of libraries are omitted (`invalid input syntax for
 * type uuid: "…"`), and so is Postgres' detail. The stack is given as frames, because its first lines repeat the message.
 */
export function describeError(error: Error, causes = CAUSES_MAX): ErrorDescription {
  const fields = error as Error & Record<string | symbol, unknown>;
  const description: ErrorDescription = { type: error.name };
  const code = codeOf(error);
  if (code !== undefined) description.code = code;
  const means = meaningOf(error);
  if (means !== undefined) description.means = means;
  if (fields[safeMessage] === true) description.message = error.message;
  for (const name of namingFields)
    if (typeof fields[name] === 'string' || typeof fields[name] === 'number') description[name] = fields[name];
  description.stack = frames(error);
  if (causes === 0) return description;
  if (isError(error.cause)) description.cause = describeError(error.cause, causes - 1);
  if (Array.isArray(fields.errors)) {
    const errors = fields.errors.filter(isError).slice(0, CAUSES_MAX);
    description.errors = errors.map((each) => describeError(each, causes - 1));
  }
  return description;
}

/** The error's own code; for a Redis error, the first word: `MISCONF Errors writing to the AOF file`. */
export function codeOf(error: Error): string | number | undefined {
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' || typeof code === 'number') return code;
  return error.name === 'ReplyError' ? /^[A-Z]+(?= )/.exec(error.message)?.[0] : undefined;
}

/** What an error means and what to do, if its code is a condition that only an operator can end. */
export function meaningOf(error: Error): string | undefined {
  // An exhausted inotify watch limit has the same code as a full disk.
  if ((error as NodeJS.ErrnoException).syscall === 'watch') return undefined;
  return operatorWords.get(String(codeOf(error)));
}

const frameForm = /^ {4}at (?:.+ \()?(?:file:|node:|\/|<anonymous>|[A-Za-z]:\\)[^\n]*$/;

function frames(error: Error): string[] {
  if (typeof error.stack !== 'string') return [];
  // A message may imitate frames; nothing before the end of the message is a frame.
  const start = error.stack.indexOf(error.message);
  const trace = start === -1 ? error.stack : error.stack.slice(start + error.message.length);
  return trace
    .split('\n')
    .filter((line) => frameForm.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => nameSources(line.trim()));
}
