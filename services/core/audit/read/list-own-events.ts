import { accountRead } from '#services/core/authority/own-scopes.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { type EventsPage, type ListEventsInput, listEvents } from './list-events.ts';

/**
 * Lists the sealed events of what the user did, newest first: in person, or through an application that the user granted
 * `own.events`. What others did to the user is not shown, for it names them.
 * @throws cursorInvalid (400); permissionMissing (403) for every other caller
 */
export const listOwnEvents = (
  ports: Pick<Ports, 'sql'>,
  input: Omit<ListEventsInput, 'actor' | 'target' | 'client' | 'trace'>,
  caller: Caller,
): Promise<EventsPage> => listEvents(ports, { ...input, actor: `user:${accountRead(caller, 'own.events').userId}` });
