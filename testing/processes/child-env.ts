const KEPT = ['PATH', 'TMPDIR', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'] as const;

/** All that a process of a test needs of this one's environment; a developer's .env is no part of it. */
export const childEnv = (): Record<string, string> => ({
  ...Object.fromEntries(KEPT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  SALLYPORT_ENV_FILE: '',
});

/** What tests load into the products that they start (`cheap-hashing`); nothing outside of tests. */
export const preloaded = (): Record<string, string> => {
  const { PRELOAD_FOR_TESTS: url } = process.env;
  return url ? { NODE_OPTIONS: `--import=${url}` } : {};
};
