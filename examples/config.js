/** The address of the API. A page sends cookies to it only from the same host: 127.0.0.1 here, not localhost. */
export const API = 'http://127.0.0.1:3000';
