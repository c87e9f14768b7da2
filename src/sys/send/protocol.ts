/** What `kumite-send` and who starts it have to agree on. */

export const sendSocket = 3;
export const sentDescriptor = 4;
/** No errno. */
export const statusOfFault = 255;
