export { readSessionRow } from '../sessions/sessions.store.ts';
export { findAccount, lockUser } from '../users/accounts.store.ts';
