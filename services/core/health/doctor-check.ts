import type { Config } from '#services/platform/config/load.ts';
import type { Ports } from '../ports.ts';

/** `skip`: not checked, because an earlier check names the cause or the wing is left out. */
export type Result = {
  readonly result: 'pass' | 'warn' | 'fail' | 'skip';
  readonly evidence: string;
  readonly fix?: string;
  /** Lines below the evidence. */
  readonly items?: readonly string[];
};
export type Check = {
  readonly name: string;
  /** The check is skipped if this store did not answer an earlier check. */
  readonly needs?: 'databaseUrl' | 'redisUrl';
  /** @param settings those of the installation, where they are facts of it */
  readonly run: (settings: () => Promise<Config>) => Promise<Result>;
};

/** A check of a module, where the database answers. */
export type ModuleCheck = { readonly name: string; readonly run: (ports: Pick<Ports, 'sql'>) => Promise<Result> };

export const pass = (evidence: string): Result => ({ result: 'pass', evidence });
export const warn = (evidence: string, fix: string): Result => ({ result: 'warn', evidence, fix });
export const skip = (evidence: string): Result => ({ result: 'skip', evidence });
export const fail = (evidence: string, fix: string): Result => ({ result: 'fail', evidence, fix });
