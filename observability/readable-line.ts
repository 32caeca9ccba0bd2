import { escapeControls } from './log-redaction.ts';

const FRAMES_SHOWN = 5;
const CAUSES_SHOWN = 3;
const WORD = /^[\w.:/@+[\]-]+$/;

type Fields = Readonly<Record<string, unknown>>;

/**
 * A JSON line of the log as a person reads it on a terminal: time, level and process, then the message, then the other
 * fields, and each error on lines below.
 * @example readableLine('{"level":"warn","time":"2026-01-02T03:04:05.678Z","service":"sallyport-api","pid":7,"epoch":1,"msg":"behind"}\n')
 * // '03:04:05 warn  api[7]  behind  epoch=1\n'
 */
export function readableLine(line: string): string {
  const { level, time = '', service = '', pid = '', msg, err, ...others } = JSON.parse(line) as Fields;
  const process = `${String(service).replace(/^sallyport-/, '')}[${pid}]`;
  const head = [`${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${process}`, textOf(msg), ...pairsOf(others)];
  return `${[escapeControls(head.join('  ')), ...errorLines(err, CAUSES_SHOWN)].join('\n')}\n`;
}

/** JSON escapes line feeds and other controls; quotes are readable as they are. */
const textOf = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"') : JSON.stringify(value);

const pairsOf = (fields: Fields): string[] =>
  Object.entries(fields).map(
    ([name, value]) =>
      `${textOf(name)}=${typeof value === 'string' && WORD.test(value) ? value : JSON.stringify(value)}`,
  );

/** The error in one line, then where it was thrown, then its causes. */
function errorLines(err: unknown, causes: number): string[] {
  if (typeof err !== 'object' || err === null || Array.isArray(err))
    return err === undefined ? [] : [`  ${textOf(err)}`];
  const { type, message, means, stack, cause, errors, ...others } = err as Fields;
  const words = [textOf(type ?? 'error'), ...[message, means].filter((word) => word !== undefined).map(textOf)];
  const frames = Array.isArray(stack) ? stack.slice(0, FRAMES_SHOWN) : [];
  const inner = causes > 0 ? [cause, ...(Array.isArray(errors) ? errors : [])] : [];
  return [
    escapeControls(
      `  ${words.join(': ')}${pairsOf(others)
        .map((pair) => `  ${pair}`)
        .join('')}`,
    ),
    ...frames.map((frame) => escapeControls(`    ${textOf(frame)}`)),
    ...inner.flatMap((each) => errorLines(each, causes - 1)),
  ];
}
