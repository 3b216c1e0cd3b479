import"./chunk-MTZPWNCV.js";import"./chunk-24GPH2FT.js";import"./chunk-3R64PKAA.js";import"./chunk-TWQVXFU6.js";import"./chunk-5WC23D6C.js";import"./chunk-4L5RI3VG.js";
