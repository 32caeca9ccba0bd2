import { defineError } from '../../platform/define/error.ts';

export const clientExists = defineError({
  code: 'client_exists',
  status: 409,
  title: 'The client id is taken',
  cause: 'A client or a user already has this id.',
  fix: 'Choose another client_id, or leave it out and one is made.',
  retryable: false,
});
