/** The address of the API: port 3000 of the host of this page. A page sends cookies to it only from the same host. */
export const API = `${location.protocol}//${location.hostname}:3000`;
