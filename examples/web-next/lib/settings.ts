/** Addresses as this server reaches them; browsers reach neither. */
export const SALLYPORT_URL = process.env.SALLYPORT_URL || 'http://localhost:3000';
export const TASKS_URL = process.env.TASKS_URL || 'http://localhost:8000';
