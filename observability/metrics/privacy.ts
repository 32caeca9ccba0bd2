import { defineCounter } from './instruments.ts';

export const phiOperations = defineCounter({
  name: 'sallyport_phi_operations',
  help: 'Uses of health data: values encrypted or decrypted, and data keys re-wrapped or destroyed. refused: a value could not be decrypted.',
  labels: { operation: ['encrypt', 'decrypt', 'rewrap', 'shred'], outcome: ['ok', 'refused'] },
});

// Exists at zero from the start, so that panels see the first refusal as a step.
for (const operation of ['encrypt', 'decrypt', 'rewrap', 'shred'] as const)
  phiOperations.at({ operation, outcome: 'ok' });
phiOperations.at({ operation: 'decrypt', outcome: 'refused' });
