/** The forms in which an address appears in an event: as it is written, its origin, and its host with the port. */
function formsOf(address: string): readonly string[] {
  if (!URL.canParse(address)) return [address];
  const { origin, host } = new URL(address);
  return [address, origin, host];
}

/**
 * Returns a function that removes these addresses from a text, where they stand alone: not as a part of a longer
 * address, and not as the domain of an e-mail address.
 */
export function removalOf(addresses: readonly string[]): (text: string) => string {
  const forms = [...new Set(addresses.flatMap(formsOf))]
    .filter((form) => form !== '' && form !== 'null')
    .sort((one, other) => other.length - one.length)
    .map((form) => form.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  if (forms.length === 0) return (text) => text;
  const own = new RegExp(`(?<![\\w.@%+-])(?:${forms.join('|')})(?![\\w@-]|[.][\\w])`, 'g');
  return (text) => text.replaceAll(own, '');
}
