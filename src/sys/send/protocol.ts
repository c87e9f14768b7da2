/** What `kumite-send` and the process that starts it agree on. */

export const sendSocket = 3;
export const sentDescriptor = 4;
/** Not a valid errno. */
export const statusOfFault = 255;
