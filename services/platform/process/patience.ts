/** What a run of tests gives its processes; settings refuse the name anywhere else. */
export const TEST_PATIENCE = 'SALLYPORT_TEST_PATIENCE';
/** The folder of that run. */
export const TEST_FOLDER = 'SALLYPORT_TEST_FOLDER';

/**
 * A deadline of this process for its own stores, processes and event loop, milliseconds: what is shipped, times the
 * patience of a run of tests. On a machine that is busy with other work a test must not fail by them.
 */
export const patient = (ms: number): number =>
  process.env[TEST_FOLDER] === undefined ? ms : ms * Number(process.env[TEST_PATIENCE] ?? 1);

/** Settles like `work`; rejects when it takes longer than `waitMs`. */
export async function withinMs<T>(work: Promise<T>, waitMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${waitMs} ms`)), waitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
