/** Exit code of a process, and of a command, for which TLS to a store fails: a restart alone mends nothing. */
export const STORE_TLS_EXIT = 7;
