import { defineModule } from '../module.ts';
import * as permissions from './permissions.ts';

export const sharedModule = defineModule({
  name: 'shared',
  permissions: Object.values(permissions),
});
