import { defineAttestation } from '../control.ts';

export const technologyInventory = defineAttestation({
  name: 'technology-inventory',
  title: 'An inventory and a network map exist',
  clause: '164.308(a)(1)(i)',
  profile: 'proposed',
  requirement: 'required',
  statement:
    'We have an inventory of technology assets and a map of the network that shows where health data moves, and updated both within the last year.',
  validDays: 365,
  humanDuty: 'Keep inventory and map.',
});
