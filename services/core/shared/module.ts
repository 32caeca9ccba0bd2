import { defineModule } from '../module.ts';
import * as permissions from './permissions.ts';

export const sharedModule = defineModule({
  name: 'shared',
  sentence: 'Holds what several modules need: pagination, purges, retries, text that is safe to show.',
  permissions: Object.values(permissions),
});
