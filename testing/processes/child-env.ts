const KEPT = ['PATH', 'TMPDIR', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'] as const;

/** All that a process of a test needs of this one's environment; a developer's .env is no part of it. */
export const childEnv = (): Record<string, string> => ({
  ...Object.fromEntries(KEPT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  SALLYPORT_ENV_FILE: '',
});
