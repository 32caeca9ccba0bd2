import { defineSettings } from '../define/setting.ts';
import { wholeNumber } from './shapes.ts';

export const capacitySettings = defineSettings({
  databaseGb: {
    env: 'CAPACITY_DATABASE_GB',
    schema: wholeNumber(0, 0, 1_000_000),
    use: 'Room for the database, in GB (10^9 bytes), so that the capacity forecast says when it is full; 0: unknown.',
  },
});
