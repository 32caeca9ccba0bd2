import type { Command } from 'commander';
import { registerAccess } from './access.ts';
import { registerPersons } from './persons.ts';
import { registerRetention } from './retention.ts';

/** `sallyport privacy …`, directly on the database. */
export function registerPrivacy(program: Command): void {
  const privacy = program.command('privacy');
  registerAccess(program, privacy);
  registerPersons(program, privacy);
  registerRetention(program, privacy);
}
