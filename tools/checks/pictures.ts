/** Pictures of the README, each in light and dark; `npm run screenshots` makes them. */
export const PICTURES = ['console', 'account'] as const;
export const PICTURES_FOLDER = 'docs/pictures';
/** A reader on a slow line loads two of them. */
export const PICTURE_BYTES_MAX = 150 * 1_024;
