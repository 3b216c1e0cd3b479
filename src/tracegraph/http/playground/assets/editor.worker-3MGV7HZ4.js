import"./chunk-MT52E4CJ.js";import"./chunk-CPGP44WZ.js";import"./chunk-HQ5GP7M2.js";import"./chunk-J7M7UP5F.js";import"./chunk-MF3EDS6F.js";import"./chunk-4L5RI3VG.js";
