import { defineSettings } from '../define/setting.ts';
import { optionalText } from './shapes.ts';

export const complianceSettings = defineSettings({
  backupFolder: {
    env: 'BACKUP_FOLDER',
    schema: optionalText(1_024),
    use: 'Folder that receives the backups. The compliance control backups-recent reads the age of its newest file. Unset: the control sees only the WAL archiving of PostgreSQL.',
  },
});
