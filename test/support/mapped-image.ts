/** What a kernel looks for at the beginning of an image whose pages it is to map, and nothing else of one. */
export const mappedImage = `${"\0".repeat(4096)}NVDIMM_PFN_INFO\0`;
