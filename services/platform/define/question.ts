/** Whether a job has work: an SQL boolean expression that is cheap where there is none. `$1` and so on are its own values. */
export type Question = { readonly sql: string; readonly values: readonly unknown[] };

/**
 * Declares a question: `defineQuestion('EXISTS (SELECT FROM mail_outbox WHERE next_attempt_at <= clock_timestamp())')`.
 * All questions of a worker are one statement, which its database role must be able to read. It may say yes where a run
 * then finds nothing, never no where a run would find something.
 */
export const defineQuestion = (sql: string, ...values: readonly unknown[]): Question => ({ sql, values });
