export { findAccount, lockUser, readSessionRow } from './accounts.store.ts';
