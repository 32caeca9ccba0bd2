import type { ArgumentLabel } from '#services/core/access/signoff-policy-shapes.ts';
import { visibleText } from '#services/core/shared/visible-text.ts';
import type { LanguageTag } from '#services/platform/define/languages.ts';

/** Arguments as a person reads them before deciding. */
export const shownArguments = (value: unknown): string => visibleText(JSON.stringify(value, null, 2));

/** The value at a JSON pointer (RFC 6901); undefined if there is none. */
function valueAt(value: unknown, path: string): unknown {
  let found = value;
  for (const step of path.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.keys(found).includes(name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

type LabelledArgument = { readonly label: string; readonly text: string } & Pick<ArgumentLabel, 'format'>;

/** The arguments that the policy of the act has labels for, in its order. */
export const labelledArguments = (
  value: unknown,
  labels: readonly ArgumentLabel[],
  language: LanguageTag,
): LabelledArgument[] =>
  labels.flatMap(({ path, label, format }) => {
    const found = valueAt(value, path);
    if (found === undefined) return [];
    // A line break could look like one more argument.
    const text = typeof found === 'string' && !/[\t\r\n]/.test(found) ? found : JSON.stringify(found);
    return [{ label: label[language] ?? label.en, text: visibleText(text), format }];
  });
