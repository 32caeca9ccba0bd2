import { visibleText } from '../data/visible-text.ts';

/** Data as it is; a character that is invisible or reorders text is written as an escape. */
export const Json = ({ value }: { readonly value: unknown }) => (
  <pre class="json">{visibleText(JSON.stringify(value, null, 2))}</pre>
);
