/** As our ids are: the `sub` of tokens, and a segment of paths. */
const OWN_ID = /^[\w-]{1,64}$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Words by which people and programs mean someone else than a user. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['admin', 'administrator', 'anonymous', 'api', 'client', 'everyone', 'guest', 'installation', 'mcp', 'me'],
  ...['null', 'operator', 'public', 'root', 'self', 'service', 'support', 'system', 'undefined', 'unknown', 'user'],
  ...['users', 'worker'],
]);

/** Whether a user here can have this id of another system; otherwise it becomes an alias. */
export const canBeOwnId = (id: string): boolean => OWN_ID.test(id) && !RESERVED.has(id.toLowerCase());

/** The ids that are this one to a reader: a UUID is the same in both cases (RFC 9562 §4), other ids are not. */
export const spellingsOf = (id: string): readonly string[] =>
  UUID.test(id) ? [...new Set([id, id.toLowerCase(), id.toUpperCase()])] : [id];
