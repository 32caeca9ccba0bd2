/** Data as it is. */
export const Json = ({ value }: { readonly value: unknown }) => (
  <pre class="json">{JSON.stringify(value, null, 2)}</pre>
);
