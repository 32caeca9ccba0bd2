/** Addresses as this server reaches them; browsers reach neither. */
export const SALLYPORT_URL = process.env.SALLYPORT_URL || 'http://localhost:3000';
export const TASKS_URL = process.env.TASKS_URL || 'http://localhost:8000';

/** While you move here from another provider: the cookie with a token of the session there. */
export const OLD_SESSION_COOKIE = process.env.OLD_SESSION_COOKIE;
