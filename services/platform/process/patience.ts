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
