import { auditProcessors } from './audit.ts';
import { identityProcessors } from './identity.ts';
import { keysProcessors } from './keys.ts';
import { mailProcessors } from './mail.ts';
import type { Processor } from './run.ts';
import { securityProcessors } from './security.ts';
import { tokensProcessors } from './tokens.ts';

/** The jobs that a worker runs. */
export const processors: readonly Processor[] = [
  ...auditProcessors,
  ...keysProcessors,
  ...tokensProcessors,
  ...identityProcessors,
  ...securityProcessors,
  ...mailProcessors,
];
