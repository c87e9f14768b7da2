/** Makes the header that a kernel expects in an image whose pages it maps, and nothing else of an image. */
export const mappedImage = `${"\0".repeat(4096)}NVDIMM_PFN_INFO\0`;
