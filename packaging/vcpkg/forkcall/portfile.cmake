vcpkg_download_distfile(ARCHIVE
  URLS "https://HOST/forkcall/releases/download/v${VERSION}/forkcall-${VERSION}.tar.xz"
  FILENAME "forkcall-${VERSION}.tar.xz"
  SHA512 0)
vcpkg_extract_source_archive(SOURCE_PATH ARCHIVE "${ARCHIVE}")

vcpkg_configure_meson(SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS -Dtests=disabled -Dexamples=false)
vcpkg_install_meson()
vcpkg_fixup_pkgconfig()
vcpkg_cmake_config_fixup(PACKAGE_NAME forkcall CONFIG_PATH lib/cmake/forkcall)

# The build makes both libraries; a triplet has one of them.
if(VCPKG_LIBRARY_LINKAGE STREQUAL "static")
  file(GLOB other_library "${CURRENT_PACKAGES_DIR}/lib/*.so*" "${CURRENT_PACKAGES_DIR}/lib/*.dylib"
    "${CURRENT_PACKAGES_DIR}/debug/lib/*.so*" "${CURRENT_PACKAGES_DIR}/debug/lib/*.dylib")
else()
  file(GLOB other_library "${CURRENT_PACKAGES_DIR}/lib/*.a" "${CURRENT_PACKAGES_DIR}/debug/lib/*.a")
endif()
if(other_library)
  file(REMOVE ${other_library})
endif()
# The helper is a program of the shared library.
if(VCPKG_LIBRARY_LINKAGE STREQUAL "static")
  file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/libexec" "${CURRENT_PACKAGES_DIR}/debug/libexec")
endif()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")

vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
