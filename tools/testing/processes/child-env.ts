import { TEST_FOLDER, TEST_PATIENCE } from '#services/platform/process/patience.ts';

const KEPT = ['PATH', 'TMPDIR', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE', TEST_FOLDER, TEST_PATIENCE] as const;

/** Wings that every product, copy, worker and command line of this run of tests leaves out: none but in the step `without-wings`. */
const { TEST_LEAVE_OUT } = process.env;
export const hasWings = TEST_LEAVE_OUT === undefined;
export const leftOut: Record<string, string> =
  TEST_LEAVE_OUT === undefined ? {} : { SALLYPORT_LEAVE_OUT: TEST_LEAVE_OUT };

/** All that a process of a test needs of this one's environment; a developer's .env is no part of it. */
export const childEnv = (): Record<string, string> => ({
  ...Object.fromEntries(KEPT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  SALLYPORT_ENV_FILE: '',
  ...leftOut,
});

let preload: URL | undefined;

/** Loads a module into every product and command line that tests of this process start from now on. */
export function preloadInProducts(module: URL): void {
  preload = module;
}

/** The setting of Node that does so; nothing outside of tests on stores. */
export const preloaded = (): Record<string, string> => (preload ? { NODE_OPTIONS: `--import=${preload.href}` } : {});

/** Settings for `startProduct` whose password hashes take as long as those of users. */
export const REAL_HASHING = { NODE_OPTIONS: '' } as const;
