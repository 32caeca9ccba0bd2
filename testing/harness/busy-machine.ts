// For tests only: the settings of a product that runs beside many others.

/** A machine that runs many tests at once is slow, and its PostgreSQL is not. */
export const patient: Readonly<Record<string, string>> = { WRITE_TIMEOUT_MS: '5000' };
/** Each hashing process computes one hash at start (a quarter of a second); few tests need two processes. */
export const oneHasher = { HASHER_CHILDREN: '1', HASH_QUEUE: '16' };
